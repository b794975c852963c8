"""May a file pass: rules over its name, its size and its content type. No I/O."""
