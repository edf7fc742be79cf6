"""What a run left behind: its files, numbers and pictures, read and shown by whoever wants; measures nothing."""
