"""What is asked of PostgreSQL; the name of the schema is put in by `in_schema`, all else is a parameter.

A statement that changes records takes subject, fence and tenant of a lease, or three nulls, as its first parameters,
and answers whether it was allowed to. Rows are locked in the order of their keys, so that no two statements wait for
each other. Arrays are of texts: about those of other types asyncpg asks the server first, on each connection.
"""

from functools import cache

_PIECES = {
    "below": "key = $1 OR key >= $2 AND key < $3",
    "bytes": "coalesce(convert_to(content::text, 'UTF8'), damaged)",
    "of_lease": "subject = $1 AND fence = $2 AND tenant::text = $3",
}

_ALLOWED = """mine AS (
    SELECT FROM {schema}.leases WHERE {of_lease} FOR SHARE
), allowed AS (
    SELECT WHERE $1::text IS NULL OR EXISTS (SELECT FROM mine)
)"""

GET = "SELECT key, {bytes} FROM {schema}.records WHERE key = ANY($1)"
NAMES = "SELECT key FROM {schema}.records WHERE {below}"
SCAN = "SELECT key, {bytes} FROM {schema}.records WHERE {below}"

PUT = """
WITH {allowed}, changed AS (
    INSERT INTO {schema}.records (key, content, damaged)
    SELECT key, content::json, decode(damaged, 'hex')
    FROM allowed, unnest($4::text[], $5::text[], $6::text[]) AS given (key, content, damaged)
    ORDER BY key COLLATE "C"
    ON CONFLICT (key) DO UPDATE SET content = excluded.content, damaged = excluded.damaged, updated_at = now()
    RETURNING 1
)
SELECT EXISTS (SELECT FROM allowed), (SELECT count(*) FROM changed)"""

DELETE = """
WITH {allowed}, found AS (
    SELECT key FROM {schema}.records, allowed WHERE key = ANY($4) ORDER BY key FOR UPDATE OF records
), changed AS (
    DELETE FROM {schema}.records USING found WHERE records.key = found.key RETURNING 1
)
SELECT EXISTS (SELECT FROM allowed), (SELECT count(*) FROM changed)"""

SET_ASIDE = """
WITH {allowed}, moved AS (
    DELETE FROM {schema}.records USING allowed WHERE key = $4::text AND {bytes} = $5::bytea RETURNING key
), filed AS (
    INSERT INTO {schema}.aside (key, content) SELECT key, $5 FROM moved RETURNING number
)
SELECT EXISTS (SELECT FROM allowed), coalesce(
    (SELECT number FROM filed), (SELECT max(number) FROM {schema}.aside WHERE key = $4 AND content = $5)
)"""

TAKE = """
INSERT INTO {schema}.leases AS held (subject, fence, tenant, ends_at)
VALUES ($1, 1, $2::text::json, now() + make_interval(secs => $3))
ON CONFLICT (subject) DO UPDATE SET (fence, tenant, ends_at) = (
    SELECT held.fence + 1, excluded.tenant, excluded.ends_at
    WHERE held.ends_at <= now() OR held.fence = $4
    UNION ALL
    SELECT held.fence, held.tenant,
        CASE WHEN held.tenant::text = excluded.tenant::text THEN excluded.ends_at ELSE held.ends_at END
    WHERE NOT (held.ends_at <= now() OR held.fence = $4)
)
RETURNING fence, tenant"""
"""The lease in force then: also who does not get it writes its row, and so is told how it is, not how it was."""

RENEW = "UPDATE {schema}.leases SET ends_at = now() + make_interval(secs => $4) WHERE {of_lease} RETURNING 1"
GIVE_BACK = "UPDATE {schema}.leases SET ends_at = '-infinity' WHERE {of_lease}"
LEASES = "SELECT subject, fence, tenant FROM {schema}.leases WHERE ends_at > now()"
HOLDER = "SELECT tenant FROM {schema}.leases WHERE subject = $1"


@cache
def in_schema(quoted: str, statement: str) -> str:
    """Return *statement* for the schema whose name is *quoted* as SQL wants it."""
    return statement.replace("{allowed}", _ALLOWED).format(schema=quoted, **_PIECES)
