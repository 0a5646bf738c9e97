"""What a release is made of, and what is asked of it: `make release`, `make audit`, docs/licences.md."""
