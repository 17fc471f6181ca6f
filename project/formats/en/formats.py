"""How English tells the time: by 24 hours, as every page does where it writes a time by itself."""

DATETIME_FORMAT = "j M Y, H:i"
TIME_FORMAT = "H:i"
