"""What is known of resource types: facts and shapes. No classes, no instances."""
