package lsp

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if helper(); helperRan {
		return
	}
	goleak.VerifyTestMain(m)
}
