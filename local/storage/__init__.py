"""S3 and Secrets Manager, which moto serves in a process of its own."""
