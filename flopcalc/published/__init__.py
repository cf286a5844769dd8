"""Tables that papers print: reading them, comparing them with ours, and what they get wrong."""
