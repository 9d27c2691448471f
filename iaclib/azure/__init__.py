"""Azure: the keyring whose key is in Key Vault."""
