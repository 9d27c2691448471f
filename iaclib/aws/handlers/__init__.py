"""The handlers of the AWS wing, one class a type; found through ``aws.table``."""
