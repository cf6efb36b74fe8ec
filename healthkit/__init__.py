"""healthkit: account health of marketplace sellers, exact to the last order."""
