"""The two implementations that ours is compared with: hand-written SQL behind bare WSGI, and plain DRF."""
