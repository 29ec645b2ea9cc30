"""What SiMVAE is compared with, as scikit-learn estimators."""
