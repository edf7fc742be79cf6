"""The one exception a user of the command line should ever see."""


class UnmaskError(ValueError):
    """Bad input: the message names the file or the configuration key and the way out.

    Raised for anything a user can mend. Broken invariants of the program itself are ``assert``\\ s.
    """
