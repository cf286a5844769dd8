"""What an operator is: its record, options, rules, printed equations, and its evaluation on one shape."""
