"""Texts that can be written anywhere: JSON can name half a surrogate pair, a text to Python and to nobody else."""


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can write a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
