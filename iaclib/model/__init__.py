"""What things are: values, outputs, tokens, fields, addresses, scope. No I/O."""
