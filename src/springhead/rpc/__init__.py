"""What an API method is: its declaration, its parameters, its result and its description."""
