"""Who an NPC is: its file, the library of all files, and the words everyone has."""
