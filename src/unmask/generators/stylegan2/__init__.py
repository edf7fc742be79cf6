"""StyleGAN2 in plain torch: networks, readers of official checkpoints, and the face prior made of them."""
