"""Azure OpenAI On Your Data, served: programs written for `data_sources` work again with another address and key.

`views` are the doors, `asking` reads a request, `spelling` brings the words of the previews into the later ones,
`sources` tells where is searched, `finding` and `strictness` what is found and what of it is shown to the model,
`ahead` reads an answer on behind its view, `shapes` and `errors` tell how it or a refusal is put.
docs/on-your-data.md is the guide for whoever moves over.
"""
