"""SiMVAE: a semi-supervised deep generative model of incomplete views."""
