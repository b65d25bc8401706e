// Package related finds, in the files of a workspace, what may help at a place in one of them: definitions of what is
// named there, and passages that resemble it. It is no parser and no language server: it looks at lines, words and
// indentation, in microseconds, and is wrong now and then. It reads no file and knows no editor; callers feed it texts.
package related
