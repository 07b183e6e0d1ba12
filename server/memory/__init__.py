"""What has happened: the log of events and who witnessed them, on the branches of each world's timeline."""
