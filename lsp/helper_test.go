package lsp

import (
	"io"
	"os"
)

// helperRan tells TestMain that this process is not the tests but something that they started.
var helperRan bool

// helper runs when a test started this binary as another process.
func helper() {
	if os.Getenv("LSP_TEST_HELPER") == "wait" {
		helperRan = true
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
}
