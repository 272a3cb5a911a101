using TinyLora.Conversation;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Conversation;

public sealed class ChatTemplateSourceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinylora-template-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Reads_a_string_and_both_forms_of_tokens()
    {
        Write("tokenizer_config.json", """{"chat_template": "T", "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>"}""");
        var source = ChatTemplateSource.Read(_folder);
        Assert.Equal(("T", "<s>", "</s>"), (source.Template, source.BeginOfText, source.EndOfText));
    }

    [Fact]
    public void Tokens_that_the_configuration_is_silent_about_come_from_the_map()
    {
        Write("tokenizer_config.json", """{"chat_template": "T", "bos_token": null}""");
        Write("special_tokens_map.json", """{"bos_token": "no", "eos_token": {"content": "E"}}""");
        var source = ChatTemplateSource.Read(_folder);
        Assert.Equal(("", "E"), (source.BeginOfText, source.EndOfText));
    }

    [Fact]
    public void Takes_the_default_of_several_templates()
    {
        Write("tokenizer_config.json", """{"chat_template": [{"name": "tool_use", "template": "X"}, {"name": "default", "template": "D"}], "bos_token": null}""");
        var source = ChatTemplateSource.Read(_folder);
        Assert.Equal(("D", "", ""), (source.Template, source.BeginOfText, source.EndOfText));
    }

    [Fact]
    public void A_file_of_its_own_wins()
    {
        Write("tokenizer_config.json", """{"chat_template": "old", "eos_token": "E"}""");
        Write("chat_template.json", """{"chat_template": "newer"}""");
        Assert.Equal("newer", ChatTemplateSource.Read(_folder).Template);
        Write("chat_template.jinja", "newest\n");
        var source = ChatTemplateSource.Read(_folder);
        Assert.Equal(("newest\n", "E"), (source.Template, source.EndOfText));
        Assert.EndsWith("chat_template.jinja", source.Path, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"chat_template": 7}""")]
    [InlineData("""{"chat_template": [{"name": "rag", "template": "X"}]}""")]
    public void Without_a_template_the_model_is_named(string configuration)
    {
        Write("tokenizer_config.json", configuration);
        Assert.Null(ChatTemplateSource.Find(_folder));
        Assert.Contains(_folder, Assert.Throws<InvalidDataException>(() => ChatTemplateSource.Read(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_JSON_is_named()
    {
        Write("tokenizer_config.json", "{\n\"chat_template\": ");
        Assert.Contains("tokenizer_config.json", Assert.Throws<InvalidDataException>(() => ChatTemplateSource.Read(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_names_the_file_and_the_place()
    {
        Write("tokenizer_config.json", """{"chat_template": "<start_of_turn>"}""");
        var message = Assert.Throws<InvalidDataException>(() => ChatTemplateSource.Read(_folder).Parse()).Message;
        Assert.Contains("tokenizer_config.json: chat_template", message, StringComparison.Ordinal);
        Assert.Contains("Gemma", message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("models/lantern/lantern-3m-Q8_0.gguf", "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n")]
    [InlineData("models/lantern/hf", "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n")]
    [InlineData("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n")]
    public void Real_models(string path, string expected)
    {
        var template = ChatTemplateSource.Read(Shared.Path(path)).Parse();
        Assert.Equal(ChatTemplateFamily.ChatML, template.Family);
        Assert.Equal(expected, template.Render([new(ChatMessage.User, "u")], addGenerationPrompt: true));
    }

    [SkippableTheory]
    [InlineData("models/stories260k/stories260K-f32.gguf")]
    [InlineData("models/tinystories-656k")]
    public void Models_without_a_template(string path) => Assert.Null(ChatTemplateSource.Find(Shared.Path(path)));

    [SkippableFact]
    public void Phi_3_is_refused_by_name() =>
        Assert.Contains("Phi-3", Assert.Throws<InvalidDataException>(() => ChatTemplateSource.Read(Shared.Path("tokenizers/ggml-vocab-phi-3.gguf")).Parse()).Message, StringComparison.Ordinal);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_folder, name), text);
}
