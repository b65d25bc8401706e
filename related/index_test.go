package related

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// indexOf takes in a workspace; the file with the mark ‸ is the one in which something is asked.
func indexOf(t testing.TB, files string) (x *Index, q Query) {
	t.Helper()
	x = &Index{}
	for _, f := range txtar.Parse([]byte(files)).Files {
		text := string(f.Data)
		if at := strings.Index(text, "‸"); at >= 0 {
			text = text[:at] + text[at+len("‸"):]
			q = Query{Path: f.Name, Language: LanguageOf(f.Name), Text: text, Cursor: at}
		}
		x.Add(f.Name, "", text)
	}
	return x, q
}

// TestDefinitions: what is found first for a place, by the way of each language's imports.
func TestDefinitions(t *testing.T) {
	for name, tt := range map[string]struct{ files, want string }{
		"Go, an imported package": {`
-- cmd/main.go --
package main

import "example.com/mod/store"

func run() {
	s := store.Open("x")
	‸
}
-- store/store.go --
package store

type Store struct{ path string }

func Open(path string) *Store { return nil }

func (s *Store) Load(key string) string { return "" }
-- other/store.go --
package other

func Open(file string) error { return nil }
`, "store/store.go Open, store/store.go Store, store/store.go Store.Load"},
		"Go, the same package": {`
-- a/a.go --
package a

func run() {
	parseHeader(‸
}
-- a/b.go --
package a

func parseHeader(line string) (key, value string) { return "", "" }
-- b/b.go --
package b

func parseHeader(x int) {}
`, "a/b.go parseHeader"},
		"TypeScript, relative": {`
-- src/app.ts --
import { createStore } from './lib/store';
const s = createStore(‸
-- src/lib/store.ts --
export interface StoreOptions { path: string }
export function createStore(o: StoreOptions): Store {
}
-- test/store.ts --
export function createStore(): void {
}
`, "src/lib/store.ts createStore, src/lib/store.ts StoreOptions"},
		"TypeScript, an index and an alias": {`
-- src/app.ts --
import { one } from './lib';
import { two } from '@/deep/two';
one(); two(‸
-- src/lib/index.ts --
export function one(a: number) {
}
-- src/deep/two.ts --
export function two(b: number) {
}
`, "src/deep/two.ts two, src/lib/index.ts one"},
		"Python, relative and absolute": {`
-- pkg/app.py --
from .models import User
from pkg.db.query import select

def run():
    u = User(select(‸
-- pkg/models.py --
class User:
    def name(self):
        return 1
-- pkg/db/query.py --
def select(table, where=None):
    pass
-- other/models.py --
class User:
    pass
`, "pkg/db/query.py select, pkg/models.py User"},
		"Rust, use of the crate": {`
-- src/main.rs --
use crate::net::client::Client;
mod util;

fn start() {
    let c = Client::connect(util::name(‸
-- src/net/client.rs --
pub struct Client { addr: String }
impl Client {
    pub fn connect(addr: &str) -> Client {
    }
}
-- src/util.rs --
pub fn name() -> String {
}
`, "src/net/client.rs Client, src/net/client.rs Client.connect, src/util.rs name"},
		"Java, an import": {`
-- src/main/java/com/x/App.java --
package com.x;
import com.x.data.Store;
class App {
    void run() {
        Store s = new Store(‸
-- src/main/java/com/x/data/Store.java --
package com.x.data;
public class Store {
    public Store(String path) {
    }
    public String load(String key) {
    }
}
-- src/main/java/com/y/Store.java --
public class Store {
}
`, "src/main/java/com/x/data/Store.java Store"},
		"C, an include": {`
-- src/main.c --
#include "util/list.h"
int run(void) {
	struct list *l = list_new(‸
-- src/util/list.h --
struct list {
	int n;
};
struct list *list_new(int size);
-- other/list.c --
static int list_new(void) {
}
`, "src/util/list.h list, src/util/list.h list_new"},
		"C++, its own header": {`
-- src/store.cc --
#include "store.h"
int Store::size() {
  return count(‸
-- include/store.h --
class Store {
 public:
  int count(int from) const;
};
`, "include/store.h Store"},
	} {
		t.Run(name, func(t *testing.T) {
			x, q := indexOf(t, tt.files)
			want := strings.Split(tt.want, ", ")
			got := map[string]bool{}
			var list []string
			for _, f := range x.Definitions(q, len(want)+1) {
				n := f.Name
				if f.Owner != "" {
					n = f.Owner + "." + n
				}
				got[f.Path+" "+n] = true
				list = append(list, fmt.Sprintf("%s %s (%.2f, %s)", f.Path, n, f.Score, f.Why))
			}
			for _, w := range want {
				if !got[w] {
					t.Errorf("%s is not among\n%s", w, strings.Join(list, "\n"))
				}
			}
		})
	}
}

// TestIndexForgets: a file that is gone, or has changed, is not answered from.
func TestIndexForgets(t *testing.T) {
	x := &Index{}
	x.Add("a.py", "", "def first():\n    pass\n")
	x.Add("a.py", "", "def second():\n    pass\n")
	q := Query{Path: "b.py", Text: "from a import first, second\nfirst(second("}
	q.Cursor = len(q.Text)
	if got := x.Definitions(q, 9); len(got) != 1 || got[0].Name != "second" {
		t.Errorf("after a change: %+v", got)
	}
	x.Remove("a.py")
	x.Remove("a.py")
	if got := x.Definitions(q, 9); len(got) != 0 || len(x.names)+len(x.dirs)+len(x.stems)+x.bytes != 0 {
		t.Errorf("after it is gone: %+v; %v", got, x.names)
	}
}

// TestPassages: the passage that speaks of the same things is found, a copy is not.
func TestPassages(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "filler%d(nothing%d)\n", i, i)
	}
	b.WriteString("total := order.Price * order.Quantity\ndiscount := customer.Discount(order)\nreturn total - discount\n")
	for i := range 60 {
		fmt.Fprintf(&b, "further%d(nothing%d)\n", i, i)
	}
	p := PassagesOf(b.String())
	best, ok := p.Best(WordsOf("sum := order.Price * order.Quantity\nsum -= customer.Discount(order)\n"))
	if ok {
		t.Errorf("a passage of %d strange lines counts as similar: %+v", passageLines, best)
	}
	short := PassagesOf("total := order.Price * order.Quantity\ndiscount := customer.Discount(order)\nreturn total - discount\n")
	if best, ok = short.Best(WordsOf("sum := order.Price * order.Quantity\nsum -= customer.Discount(order)\n")); !ok || best.Line != 1 {
		t.Errorf("%+v, %v", best, ok)
	}
	if best, ok = short.Best(short.words[0]); ok {
		t.Errorf("a copy counts as similar: %+v", best)
	}
}

func BenchmarkOutline(b *testing.B) {
	text := strings.Repeat("func (s *Server) name(a, b int) (string, error) {\n\tif a > b {\n\t\treturn \"\", nil\n\t}\n\treturn s.other(a), nil\n}\n\n", 500)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Outline("go", text)
	}
}
