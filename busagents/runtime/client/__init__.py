"""What a program uses to send tasks and to watch, replay and list them."""
