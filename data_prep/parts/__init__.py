"""The recipe of the tiny parts: small networks, trained on the microworld, in the formats of the full ones."""
