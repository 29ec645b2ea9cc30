"""What fills missing views for methods that need all of them, as scikit-learn transformers."""
