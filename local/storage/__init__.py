"""S3, which moto serves in a process of its own."""
