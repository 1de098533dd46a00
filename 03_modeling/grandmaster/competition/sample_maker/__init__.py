"""Renders the pictures of the sample competition; `grandmaster.competition.sample` is the way in.

`plan` says which pictures there are, `page` and `words` are pen and vocabulary, `certificates`, `tables`,
`cards` and `vehicles` draw the 17 classes, `capture` photographs a page, `corruption` spoils a test picture,
`render` puts these together. Nothing here reads a file other than fonts, and nothing depends on more than
(seed, split, index of the picture).
"""
