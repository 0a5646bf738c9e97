"""What the collector listens to, or pulls, itself."""
