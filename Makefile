# make test   installs what the tests need and runs all of them
# make quick  what needs nothing but Go, in a minute
# make bench  the numbers quoted in docs

.PHONY: build test quick race poison fuzz bench cross editors

build:
	go build -o spark-lsp .

test: cross race poison editors

quick:
	go vet ./...
	go test -short ./...

# Everything with the race detector, but for the simulations and corpora that say so themselves.
race:
	go vet ./...
	go test -race -short ./...
	go test ./...

# Borrowed buffers of jsonrpc2 are scribbled over, so that whatever keeps one fails.
poison:
	go test -short -tags jsonrpc2poison . ./lsp/... ./server/...

cross:
	GOOS=linux GOARCH=arm64 go build -o /dev/null .
	GOOS=darwin GOARCH=arm64 go build -o /dev/null .
	GOOS=windows GOARCH=amd64 go build -o /dev/null .
	GOOS=windows GOARCH=amd64 go vet .

editors:
	testdata/editors/install.sh

bench:
	go test -run '^$$' -bench . -benchmem ./...
