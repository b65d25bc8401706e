# make test   installs what the tests need and runs all of them: what CI runs
# make quick  what needs nothing but Go, in a minute
# make bench  the numbers quoted in docs
# make release VERSION=1.2.3   archives for all platforms, checksums and a bill of materials, in dist

.PHONY: build test quick vet cross race full poison fuzz bench vscode vscode-unit vscode-e2e release

build:
	go build -o spark-lsp .

quick:
	go vet ./...
	go test -short ./...

test: vet cross race full poison fuzz vscode

vet:
	go vet ./...
	go vet extension/release/main.go

cross:
	GOOS=linux GOARCH=arm64 go build -o /dev/null .
	GOOS=darwin GOARCH=arm64 go build -o /dev/null .
	GOOS=windows GOARCH=amd64 go build -o /dev/null .
	GOOS=windows GOARCH=amd64 go vet . ./lsp ./privacy

# One package at a time: tests that speak of milliseconds share the machine with nobody but themselves.
race:
	go test -race -short -p 1 ./...

# Everything: the simulations, the corpora of real edits, real editors, the protocol's official clients.
full:
	go test -p 1 -timeout 20m ./...

# Borrowed buffers of jsonrpc2 are scribbled over, so that whatever keeps one fails.
poison:
	go test -short -p 1 -tags jsonrpc2poison ./...

# Twenty seconds for each of the targets that stand between the user's text and the outside.
FUZZTIME ?= 20s
fuzz:
	go test -run '^$$' -fuzz '^FuzzDidChange$$' -fuzztime $(FUZZTIME) ./lsp
	go test -run '^$$' -fuzz '^FuzzChangeSet$$' -fuzztime $(FUZZTIME) ./editops
	go test -run '^$$' -fuzz '^FuzzStreamDiff$$' -fuzztime $(FUZZTIME) ./editops
	go test -run '^$$' -fuzz '^FuzzHunks$$' -fuzztime $(FUZZTIME) ./editops
	go test -run '^$$' -fuzz '^FuzzMask$$' -fuzztime $(FUZZTIME) ./privacy
	go test -run '^$$' -fuzz '^FuzzIgnoreMatching$$' -fuzztime $(FUZZTIME) ./privacy
	go test -run '^$$' -fuzz '^FuzzSettings$$' -fuzztime $(FUZZTIME) ./settings
	go test -run '^$$' -fuzz '^FuzzUserFile$$' -fuzztime $(FUZZTIME) .

# The VS Code extension: types, lint and unit tests; then the packaged extension in a real workbench.
vscode: vscode-unit vscode-e2e

vscode-unit:
	extension/test.sh unit

vscode-e2e:
	extension/test.sh e2e

bench:
	go test -run '^$$' -bench . -benchmem ./...

release:
	go run extension/release/main.go -version "$(VERSION)" -out dist
