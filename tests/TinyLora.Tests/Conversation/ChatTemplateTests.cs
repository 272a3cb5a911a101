using System.Diagnostics;
using System.Text.Json;
using TinyLora.Conversation;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Conversation;

public class ChatTemplateTests
{
    private const string ChatML =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private static readonly Dictionary<string, ChatTemplateFamily> s_covered = new()
    {
        ["_base"] = ChatTemplateFamily.ChatML,
        ["llama"] = ChatTemplateFamily.Llama2,
        ["HuggingFaceH4/zephyr-7b-beta (add_generation_prompt=true)"] = ChatTemplateFamily.Zephyr,
        ["HuggingFaceH4/zephyr-7b-gemma-v0.1"] = ChatTemplateFamily.ChatML,
        ["TheBloke/Mistral-7B-Instruct-v0.1-GPTQ"] = ChatTemplateFamily.Mistral,
        ["cognitivecomputations/dolphin-2.5-mixtral-8x7b"] = ChatTemplateFamily.ChatML,
        ["Qwen/Qwen1.5-72B-Chat"] = ChatTemplateFamily.ChatML,
        ["internlm/internlm2-chat-7b"] = ChatTemplateFamily.ChatML,
        ["abacusai/Smaug-34B-v0.1"] = ChatTemplateFamily.Llama2,
        ["mistralai/Mistral-Nemo-Instruct-2407"] = ChatTemplateFamily.Mistral,
        ["meta-llama/Llama-3.1-8B-Instruct"] = ChatTemplateFamily.Llama3,
        ["Qwen/Qwen2.5-7B-Instruct"] = ChatTemplateFamily.ChatML,
        ["Qwen/Qwen3-0.6B"] = ChatTemplateFamily.ChatML,
    };

    [SkippableFact]
    public void Covered_templates_render_byte_for_byte_and_all_others_are_refused_by_name()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Shared.Path("chat-templates/rendered.json")));
        int rendered = 0, refused = 0;
        foreach (var entry in document.RootElement.EnumerateArray())
        {
            var name = entry.GetProperty("name").GetString()!;
            var source = entry.GetProperty("chat_template").GetString()!;
            var data = entry.GetProperty("data");
            if (!s_covered.TryGetValue(name, out var family))
            {
                var refusal = Assert.Throws<InvalidDataException>(() => ChatTemplate.Parse(source, "<s>", "</s>"));
                Assert.Contains("is not supported", refusal.Message, StringComparison.Ordinal);
                Assert.DoesNotContain("\n", refusal.Message, StringComparison.Ordinal);
                refused++;
                continue;
            }
            var template = ChatTemplate.Parse(source, Text(data, "bos_token"), Text(data, "eos_token"));
            Assert.Equal(family, template.Family);
            // Tools are not part of a conversation here; jinja2.json has these templates without them.
            if (data.TryGetProperty("tools", out _)) continue;
            if (data.TryGetProperty("enable_thinking", out var thinking)) template.EnableThinking = thinking.GetBoolean();
            var generation = data.TryGetProperty("add_generation_prompt", out var add) && add.GetBoolean();
            Assert.Equal(entry.GetProperty("expected").GetString(), template.Render(Messages(data.GetProperty("messages")), generation));
            rendered++;
        }
        Assert.Equal(11, rendered);
        Assert.Equal(13, refused);
    }

    [Theory]
    [InlineData("{{ bos_token }}{% for message in messages %}{{ 'GPT4 Correct ' + message['role'] }}{% endfor %}", "OpenChat")]
    [InlineData("<start_of_turn>{{ messages[0].content }}", "Gemma")]
    [InlineData("{{ '<|user|>\n' + messages[0].content + '<|end|>\n<|assistant|>' }}{{ eos_token }}", "Phi-3")]
    [InlineData("{{ messages[0].content }}\nSay:", "{{ messages[0].content }} Say:")]
    public void A_refusal_names_the_template(string source, string name) =>
        Assert.Contains($"\"{name}\"", Assert.Throws<InvalidDataException>(() => ChatTemplate.Parse(source, "", "")).Message, StringComparison.Ordinal);

    /// <summary>jinja2.json holds what Jinja2 3.1.6 with the settings of Transformers makes of nine conversations, without and with generation prompt.</summary>
    [SkippableFact]
    public void Templates_do_what_Jinja_does_with_them()
    {
        using var rendered = JsonDocument.Parse(File.ReadAllText(Shared.Path("chat-templates/rendered.json")));
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(Shared.Repository, "tests/TinyLora.Tests/Conversation/jinja2.json")));
        var conversations = golden.RootElement.GetProperty("conversations");
        var errors = 0;
        foreach (var entry in golden.RootElement.GetProperty("templates").EnumerateArray())
        {
            var name = entry.GetProperty("template").GetString()!;
            var template = ChatTemplate.Parse(Source(name, rendered.RootElement), "<s>", "</s>");
            for (var i = 0; i < entry.GetProperty("results").GetArrayLength(); i++)
            {
                var result = entry.GetProperty("results")[i];
                var messages = Messages(conversations[i / 2]);
                if (result.TryGetProperty("text", out var text)) Assert.Equal((name, i, text.GetString()), (name, i, template.Render(messages, i % 2 == 1)));
                else
                {
                    var error = Assert.Throws<ArgumentException>(() => template.Render(messages, i % 2 == 1));
                    var expected = result.GetProperty("error").GetString()!;
                    if (expected.Length > 0) Assert.Equal(expected, error.Message);
                    errors++;
                }
            }
        }
        Assert.Equal(22, errors);
    }

    // Expected texts by Jinja2 3.1.6.
    [Theory]
    [InlineData("{{ bos_token }}\n  {% for message in messages %}\n  [INST] {{ message.content }}\n{#- note -#}  [/INST]\n{% endfor %}\n{{ eos_token }}\n", "<s>\n  [INST] u[/INST]\n</s>", "[INST]")]
    [InlineData("{%- for message in messages -%}\n   {{- '<|im_start|>' ~ message.role ~ '<|im_end|>' -}}\n \n{%- endfor -%}\n\n", "<|im_start|>user<|im_end|>", "ChatML")]
    [InlineData("a\r\n{% if true %}\r\n  <|im_start|><|im_end|>\r\n{%+ endif %}\nz", "a\n  <|im_start|><|im_end|>\nz", "line ends")]
    [InlineData("<|im_start|>{% if true +%}\n<|im_end|>{% endif %}", "<|im_start|>\n<|im_end|>", "plus keeps")]
    [InlineData("{{ \"<|im_start|>\\x41\\u00e9\\t\\q'\" '<|im_end|>' }}", "<|im_start|>Aé\t\\q'<|im_end|>", "escapes")]
    [InlineData("<|im_start|><|im_end|>{{ 'a' if messages[0].role in ['system', 'user'] else 'b' }}{{ 'c' if messages[0].role not in ('user', 'x') else 'd' }}{{ messages[0].get('content') }}{{ messages[0].get('name', '-') }}{{ messages[0].get('name') }}", "<|im_start|><|im_end|>adu-None", "lists")]
    [InlineData("<|im_start|><|im_end|>{% for m in messages if m.role == 'x' %}{{ m.role }}{% else %}none{% endfor %}{{ messages[1:]|length }}{{ messages[::-1][0].content }}{{ 'abc'[1:] ~ 'abc'[:-1] }}", "<|im_start|><|im_end|>none0ubcab", "slices")]
    [InlineData("<|im_start|><|im_end|>{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}{% set n = namespace(v=3) %}{% for m in messages %}{% set n.v = n.v + 1 %}{% endfor %}{{ n.v }}{{ -1 % 3 }}{{ y is defined }}{{ y }}", "<|im_start|><|im_end|>2142False", "scopes")]
    [InlineData("<|im_start|><|im_end|>{{ '  a b '.strip() + 'xxaxx'.lstrip('x') + 'a-b-c'.split('-')[-1] + ('ab' | upper) + ('  t ' | trim) + 'ab'.replace('a', 'c') }}{{ 'é' in 'café' and not 'x' is none }}", "<|im_start|><|im_end|>a baxxcABtcbTrue", "methods")]
    public void White_space_and_strings_are_Jinjas(string source, string expected, string because)
    {
        Assert.NotEmpty(because);
        Assert.Equal(expected, ChatTemplate.Parse(source, "<s>", "</s>").Render([new(ChatMessage.User, "u")], addGenerationPrompt: true));
    }

    [Fact]
    public void The_date_of_Llama_3_2_is_the_templates_own_unless_it_is_set()
    {
        const string Source = "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
            + "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}{{- '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string }}";
        var template = ChatTemplate.Parse(Source, "", "");
        Assert.EndsWith("Today Date: 26 Jul 2024", template.Render([new(ChatMessage.User, "u")], true), StringComparison.Ordinal);
        template.Date = "01 Jan 2030";
        Assert.EndsWith("Today Date: 01 Jan 2030", template.Render([new(ChatMessage.User, "u")], true), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Qwen3_without_thinking_gets_an_empty_thought()
    {
        using var rendered = JsonDocument.Parse(File.ReadAllText(Shared.Path("chat-templates/rendered.json")));
        var template = ChatTemplate.Parse(Source("rendered:Qwen/Qwen3-0.6B", rendered.RootElement), "", "<|im_end|>");
        template.EnableThinking = false;
        Assert.Equal("<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", template.Render([new(ChatMessage.User, "u")], true));
    }

    [Fact]
    public void Only_the_templates_own_text_may_hold_special_tokens()
    {
        var prompt = new PromptText();
        ChatTemplate.Parse(ChatML, "", "").Render([new(ChatMessage.User, "<|im_end|>é"), new("<|im_start|>", "x")], true, prompt);
        var text = System.Text.Encoding.UTF8.GetString(prompt.Utf8);
        Assert.Equal("<|im_start|>user\n<|im_end|>é<|im_end|>\n<|im_start|><|im_start|>\nx<|im_end|>\n<|im_start|>assistant\n", text);
        var template = prompt.TemplateRanges.ToArray().Select(range => System.Text.Encoding.UTF8.GetString(prompt.Utf8[range.Start..range.End])).ToArray();
        Assert.Equal(["<|im_start|>user\n", "<|im_end|>\n<|im_start|>", "\n", "<|im_end|>\n<|im_start|>assistant\n"], template);
    }

    [Fact]
    public void No_messages_are_refused() =>
        Assert.Throws<ArgumentException>(() => ChatTemplate.Parse(ChatML, "", "").Render([], true));

    [Fact]
    public void What_is_not_understood_is_refused_when_the_template_is_read()
    {
        foreach (var unknown in new[] { "{{ messages | tojson }}", "{{ strftime_now('%d') }}", "{% include 'x' %}", "{{ 1 < 2 < 3 }}", "{{ messages[0].content.title() }}", "{{ {'a': 1} }}", "{% for a, b in messages %}{% endfor %}" })
        {
            var error = Assert.Throws<InvalidDataException>(() => ChatTemplate.Parse("<|im_start|><|im_end|>" + unknown, "", ""));
            Assert.Contains("not understood", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("{{ ")]
    [InlineData("{{ 'x }}")]
    [InlineData("{# ")]
    [InlineData("{% if true %}")]
    [InlineData("{% endfor %}")]
    [InlineData("{% for m in messages %}{% else %}")]
    [InlineData("{% macro x() %}")]
    [InlineData("{{ '\\u12' }}")]
    [InlineData("{% for i in range(0, 2000000000) %}{% endfor %}")]
    [InlineData("{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}")]
    [InlineData("{{ 2000000000 + 2000000000 }}")]
    [InlineData("{% set x = 'aaaaaaaaaaaaaaaa' %}{% set ns = namespace(x=x) %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x=messages) %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    public void Damaged_and_hostile_templates_are_refused_at_once(string source)
    {
        var started = Stopwatch.StartNew();
        Assert.Throws<InvalidDataException>(() => ChatTemplate.Parse("<|im_start|><|im_end|>" + source, "", ""));
        // Seconds for what takes tens of milliseconds: the machine may be busy.
        Assert.True(started.ElapsedMilliseconds < 3000, $"{started.ElapsedMilliseconds} ms");
    }

    [Fact]
    public void Deep_nesting_is_refused_and_does_not_end_the_stack()
    {
        foreach (var source in new[]
        {
            string.Concat(Enumerable.Repeat("{% if true %}", 10_000)),
            "{{ " + new string('(', 100_000),
            "{{ " + new string('[', 100_000),
            "{{ 'a'" + string.Concat(Enumerable.Repeat(" + 'a'", 40_000)) + " }}",
            "{{ " + string.Concat(Enumerable.Repeat("not ", 50_000)) + "true }}",
            "{{ messages" + string.Concat(Enumerable.Repeat("[0]", 50_000)) + " }}",
            new string('x', 1 << 19),
        })
        {
            Assert.Throws<InvalidDataException>(() => ChatTemplate.Parse("<|im_start|><|im_end|>" + source, "", ""));
        }
    }

    internal static string Source(string name, JsonElement rendered)
    {
        var separator = name.IndexOf(':', StringComparison.Ordinal);
        var (kind, key) = (name[..separator], name[(separator + 1)..]);
        if (kind == "rendered") return rendered.EnumerateArray().Single(entry => entry.GetProperty("name").GetString() == key).GetProperty("chat_template").GetString()!;
        using var configuration = JsonDocument.Parse(File.ReadAllText(Shared.Path($"tokenizers/{key}/tokenizer_config.json")));
        return configuration.RootElement.GetProperty("chat_template").GetString()!;
    }

    private static ChatMessage[] Messages(JsonElement messages) =>
        [.. messages.EnumerateArray().Select(message => new ChatMessage(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!))];

    private static string Text(JsonElement data, string name) =>
        data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
