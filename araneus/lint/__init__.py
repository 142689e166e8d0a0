"""What in an app behaves differently elsewhere: ``araneus lint``."""
