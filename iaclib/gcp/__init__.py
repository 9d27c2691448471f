"""Google Cloud: the keyring whose key is in Cloud KMS."""
