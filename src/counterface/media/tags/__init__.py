"""What a file says of its own making: camera, programs, dates, place. Anybody can write it."""
