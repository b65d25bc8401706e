// Command words counts the words of files.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strings"
)

// count is how often a word occurs.
type count struct {
	word string
	n    int
}

// readWords returns the words of a file in lower case, in order.
func readWords(name string) []string {
	f, err := os.Open(name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	var words []string
	scanner := bufio.NewScanner(f)
	scanner.Split(bufio.ScanWords)
	for scanner.Scan() {
		words = append(words, strings.ToLower(scanner.Text()))
	}
	if err := scanner.Err(); err != nil {
		panic(err)
	}
	return words
}

// topWords returns the n words that occur most often.
func topWords(words []string, n int) []count {
	seen := make(map[string]int)
	for _, word := range words {
		seen[word]++
	}
	var counts []count
	for word, n := range seen {
		counts = append(counts, count{word, n})
	}
	sort.Slice(counts, func(i, j int) bool { return counts[i].n > counts[j].n })
	return counts[:min(n, len(counts))]
}

func main() {
	for _, name := range os.Args[1:] {
		words := readWords(name)
		for _, count := range topWords(words, 10) {
			fmt.Println(count.n, count.word)
		}
	}
}
