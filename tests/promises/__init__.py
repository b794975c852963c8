"""The seven promises of the design, each proven over real sockets."""
