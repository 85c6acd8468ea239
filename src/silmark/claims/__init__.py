"""What vendors and the press say, as sentences that can be tested, and what the numbers say to them."""
