"""What monitoring systems say, made into observations: who may say it, how each of them writes, what it is about."""
