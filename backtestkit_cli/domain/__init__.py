"""Values and money: candle, interval, signal, position, trade; nothing here does I/O."""
