"""Character cards, versions 1 to 3: the files, what they say, and the persona that one becomes."""
