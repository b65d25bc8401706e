package session

import "strings"

// completionsRequest is POST /completions with the fill-in-the-middle tokens written out in the prompt:
// vLLM refuses "suffix", SGLang needs a start-up flag for it, and both pass special tokens through.
type completionsRequest struct {
	Model       string   `json:"model"`
	Prompt      string   `json:"prompt"`
	MaxTokens   int      `json:"max_tokens,omitempty"`
	Temperature float64  `json:"temperature"`
	Stream      bool     `json:"stream"`
	Stop        []string `json:"stop"`
}

// Template is how a family of models wants its fill-in-the-middle prompt.
type Template struct {
	Name                   string
	Prefix, Suffix, Middle string
	File                   string   // before the path of another file; "" when the family was not trained on that
	Stop                   []string // never part of an answer
	models                 []string // in the names of its models
}

// Templates is every raw template that Config.Template may name, from the model cards.
var Templates = []Template{
	{
		Name: "qwen", Prefix: "<|fim_prefix|>", Suffix: "<|fim_suffix|>", Middle: "<|fim_middle|>", File: "<|file_sep|>",
		Stop:   []string{"<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|fim_prefix|>"},
		models: []string{"qwen"},
	},
	{
		Name: "starcoder", Prefix: "<fim_prefix>", Suffix: "<fim_suffix>", Middle: "<fim_middle>", File: "<file_sep>",
		Stop:   []string{"<|endoftext|>", "<file_sep>", "<fim_prefix>"},
		models: []string{"starcoder"},
	},
	{
		Name: "codellama", Prefix: "<PRE> ", Suffix: " <SUF>", Middle: " <MID>",
		Stop:   []string{"<EOT>", "<PRE>"},
		models: []string{"codellama", "code-llama"},
	},
	{
		Name: "deepseek", Prefix: "<｜fim▁begin｜>", Suffix: "<｜fim▁hole｜>", Middle: "<｜fim▁end｜>",
		Stop:   []string{"<｜end▁of▁sentence｜>", "<｜fim▁begin｜>"},
		models: []string{"deepseek"},
	},
}

func templateFor(name, model string) *Template {
	model = strings.ToLower(model)
	for i := range Templates {
		t := &Templates[i]
		if name == t.Name {
			return t
		}
		for _, m := range t.models {
			if name == "" && strings.Contains(model, m) {
				return t
			}
		}
	}
	return nil
}

// Render writes the prompt: other files first, which stay the same while the user types, then prefix and
// suffix of this one.
func (t *Template) Render(f *FIM) string {
	prefix, suffix, extra := f.window()
	var b strings.Builder
	if t.File != "" && len(extra) > 0 {
		for _, e := range extra {
			b.WriteString(t.File + e.Path + "\n" + e.Text)
			if !strings.HasSuffix(e.Text, "\n") {
				b.WriteByte('\n')
			}
		}
		b.WriteString(t.File + f.Path + "\n")
	}
	b.WriteString(t.Prefix + prefix + t.Suffix + suffix + t.Middle)
	return b.String()
}

func completionsBody(q *question) (any, *failure) {
	if f := fimless(q); f != nil {
		return nil, f
	}
	t := templateFor(q.cfg.Template, q.frame.Model)
	if t == nil {
		return nil, fail(Unsupported, give, nil, "no fill-in-the-middle template for the model %q; name one of qwen, starcoder, codellama, deepseek", q.frame.Model)
	}
	return completionsRequest{
		Model: q.frame.Model, Prompt: t.Render(&q.req.FIM), MaxTokens: q.frame.MaxOutputTokens, Stream: true, Stop: t.Stop,
	}, nil
}
