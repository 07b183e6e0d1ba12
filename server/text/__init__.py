"""Text on its way in and out: made harmless, filtered, cut into lines. Pure: no I/O, no clock."""
