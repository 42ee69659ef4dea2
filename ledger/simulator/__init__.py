"""A supplier to play with: tells a service the lives of simulated messages, and checks what it then says."""
