"""How the small model that ships is made: corpus, vocabulary, training, export, evaluation."""
