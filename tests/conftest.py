"""What all tests share: Hypothesis without deadlines, which a busy machine would miss."""

from hypothesis import settings

settings.register_profile("btk", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("btk")
