// Package settings declares everything that can be configured, once: the fields of Options, their defaults,
// what they may hold, and the order in which editor, environment, user file and defaults win. It reads no
// file and knows no editor; callers hand it maps.
package settings

// Options is the configuration in force. It is a value: a change makes a new one. The struct tags are the
// only declaration of a setting's name ("key"), environment variable ("env", tried left to right) and
// allowed values ("oneof"); the comment above a field is its documentation in docs/settings.md.
type Options struct {
	// Enabled turns everything off when false: no completion, no action, no connection.
	Enabled bool `key:"enabled" default:"true"`

	// Provider says who answers: "openai" is any endpoint that speaks the Responses protocol, "offline" the
	// embedded engine, "auto" openai when a key is there and offline otherwise. Naming a provider is also the
	// consent to automatic completions through it.
	Provider string `key:"provider" env:"SPARK_PROVIDER" oneof:"auto,openai,offline" default:"auto"`

	// Model is the model's id at the endpoint.
	Model string `key:"model" env:"SPARK_MODEL" default:"gpt-6.1-sol"`

	// ServiceTier is sent with every request; the tier that really served is reported after each answer.
	ServiceTier string `key:"serviceTier" env:"SPARK_SERVICE_TIER" oneof:"auto,default,flex,scale,priority,fast,ultrafast" default:"ultrafast"`

	// BaseURL is the endpoint up to and including /v1. A key is only ever sent to the endpoint named by the
	// key's own source (environment or user file), or to the default when that source names none.
	BaseURL string `key:"baseURL" env:"SPARK_BASE_URL,OPENAI_BASE_URL" default:"https://api.openai.com/v1"`

	// Delivery is how a streamed edit reaches the buffer: "live" as it arrives, "hunks" change by change,
	// "final" in one edit at the end, "auto" whichever the editor can take without harm.
	Delivery string `key:"delivery" env:"SPARK_DELIVERY" oneof:"auto,final,hunks,live" default:"auto"`

	// CompletionAutomatic decides about completions nobody asked for by hand: "on", "off", or "ask", which
	// asks once before a key found in the environment is used for them.
	CompletionAutomatic string `key:"completion.automatic" env:"SPARK_COMPLETION_AUTOMATIC" oneof:"ask,on,off" default:"ask"`

	// CompletionMaxTokens bounds one completion's answer, in tokens.
	CompletionMaxTokens int `key:"completion.maxTokens" env:"SPARK_COMPLETION_MAX_TOKENS" min:"1" max:"2000" default:"200"`

	// Undojoin is set by the Neovim configuration whose applyEdit handler joins the edits of one action into
	// one undo step; it allows live delivery there.
	Undojoin bool `key:"undojoin" default:"false"`
}

// retired names models that endpoints no longer serve, with what to say about them (wire.md section 0).
var retired = map[string]string{
	"gpt-5.3-codex-spark": "gpt-5.3-codex-spark was retired on 14 September 2026; its speed is now a service tier: set model to gpt-6.1-sol and serviceTier to ultrafast",
}
