"""One suite over every model: what each must do, and what none may be knocked over by."""
