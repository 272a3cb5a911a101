using System.Text.Json;
using TinyLora.Tests.Goldens;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>Exact ids of llama.cpp and of the tokenizers library, and back to the text.</summary>
public class GoldenTokenizerTests
{
    private const string Goldens = "golden/gguf/tokenizers";

    [SkippableTheory]
    [InlineData("tokenizers/ggml-vocab-llama-spm.gguf", "tokenizers/ggml-vocab-llama-spm.gguf")]
    [InlineData("tokenizers/ggml-vocab-phi-3.gguf", "tokenizers/ggml-vocab-phi-3.gguf")]
    [InlineData("tokenizers/ggml-vocab-gpt-2.gguf", "tokenizers/ggml-vocab-gpt-2.gguf")]
    [InlineData("tokenizers/llama-3.1/tokenizer.json", "tokenizers/ggml-vocab-llama-bpe.gguf")]
    [InlineData("tokenizers/llama-3.1", "tokenizers/ggml-vocab-llama-bpe.gguf")]
    [InlineData("tokenizers/qwen3", "tokenizers/ggml-vocab-qwen2.gguf")]
    public void Vocabularies_of_llama_cpp(string tokenizer, string cases)
    {
        var opened = Tokenizer.Open(Shared.Path(tokenizer));
        var all = TokenizerCase.ReadLines(cases);
        Assert.InRange(all.Count, 40, int.MaxValue);
        foreach (var one in all) one.Check(opened);
    }

    [SkippableTheory]
    [InlineData("golden/gguf/models/granite-64-F32.gguf", "bpe512-gpt-2.json", 170)]
    [InlineData("golden/gguf/models/smollm3-64-F32.gguf", "bpe512-llama-bpe.json", 170)]
    [InlineData("golden/gguf/models/qwen2-64-F32.gguf", "bpe512-qwen2.json", 170)]
    [InlineData("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2.json", 374)]
    public void Byte_level(string model, string cases, int count)
    {
        var tokenizer = Tokenizer.Open(Shared.Path(model));
        var all = TokenizerCase.Read($"{Goldens}/{cases}", "cases", "ids");
        Assert.Equal(count, all.Count);
        foreach (var one in all) one.Check(tokenizer);
        foreach (var one in TokenizerCase.Read($"{Goldens}/{cases}", "differ", "llamacpp"))
        {
            Assert.True(one.Row.GetProperty("llamacpp_equals_original").GetBoolean());
            one.Check(tokenizer);
        }
    }

    [SkippableFact]
    public void SentencePiece_with_bytes()
    {
        var tokenizer = Tokenizer.Open(Shared.Path("models/stories260k/stories260K-f32.gguf"));
        var cases = TokenizerCase.Read($"{Goldens}/stories260k.json", "cases", "ids");
        Assert.Equal(207, cases.Count);
        Assert.True(tokenizer.AddsBeginOfText);
        foreach (var one in cases)
        {
            one.Check(tokenizer);
            Assert.Equal(one.Row.GetProperty("ids_with_bos").EnumerateArray().Select(id => id.GetInt32()), tokenizer.Encode(one.Text, one.Special, begin: true));
            Assert.Equal(one.Row.GetProperty("decodes_to").GetString(), DecodedAsItIs(tokenizer, one.Ids));
        }
    }

    /// <summary>llama.cpp aborts where a character is missing; there the tokenizers library's answer holds.</summary>
    [SkippableTheory]
    [InlineData("models/tinystories-656k/tinystories-656k-f32.gguf")]
    [InlineData("models/tinystories-656k/tinystories-656k-Q8_0.gguf")]
    public void SentencePiece_without_bytes(string model)
    {
        var tokenizer = Tokenizer.Open(Shared.Path(model));
        foreach (var list in (string[])["cases", "differ"])
        {
            foreach (var one in TokenizerCase.Read($"{Goldens}/tinystories-656k.json", list, "ids_hf"))
            {
                var ids = one.Row.GetProperty("ids_llamacpp");
                var expected = ids.ValueKind == JsonValueKind.Null ? one : one with { Ids = [.. ids.EnumerateArray().Select(id => id.GetInt32())] };
                expected.Check(tokenizer, decodes: list == "cases" || ids.ValueKind != JsonValueKind.Null);
                if (one.Row.GetProperty("ids_llamacpp_with_bos") is { ValueKind: JsonValueKind.Array } begun)
                    Assert.Equal(begun.EnumerateArray().Select(id => id.GetInt32()), tokenizer.Encode(one.Text, one.Special, begin: true));
            }
        }
    }

    [SkippableTheory]
    [InlineData("models/tinystories-656k")]
    [InlineData("models/tinystories-656k/tokenizer.json")]
    public void SentencePiece_of_a_folder(string model)
    {
        var tokenizer = Tokenizer.Open(Shared.Path(model));
        var cases = TokenizerCase.Read($"{Goldens}/tinystories-656k.json", "cases", "ids_hf");
        var differ = TokenizerCase.Read($"{Goldens}/tinystories-656k.json", "differ", "ids_hf");
        Assert.Equal((70, 135), (cases.Count, differ.Count));
        foreach (var one in cases) one.Check(tokenizer);
        foreach (var one in differ) one.Check(tokenizer, decodes: false);
        Assert.True(tokenizer.AddsBeginOfText);
        Assert.Equal(tokenizer.Find("<|start_story|>"u8), tokenizer.BeginOfText);
        Assert.True(tokenizer.IsEndOfGeneration(tokenizer.Find("<|end_story|>"u8)));
    }

    [SkippableTheory]
    [InlineData("models/lantern/lantern-3m-Q8_0.gguf")]
    [InlineData("models/lantern/lantern-3m-F16.gguf")]
    [InlineData("models/lantern/hf")]
    public void Lantern(string model)
    {
        var tokenizer = Tokenizer.Open(Shared.Path(model));
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("models/lantern/golden.json")));
        var count = 0;
        foreach (var chat in golden.RootElement.GetProperty("chats").EnumerateArray())
        {
            var prompt = new TokenizerCase(chat.GetProperty("prompt").GetString()!, true, [.. chat.GetProperty("prompt_ids").EnumerateArray().Select(id => id.GetInt32())], chat);
            prompt.Check(tokenizer);
            count++;
        }
        Assert.Equal(20, count);
        Assert.False(tokenizer.AddsBeginOfText);
        Assert.True(tokenizer.IsEndOfGeneration(tokenizer.Find("<|im_end|>"u8)));
        Assert.True(tokenizer.IsEndOfGeneration(tokenizer.Find("<|endoftext|>"u8)));
        Assert.False(tokenizer.IsEndOfGeneration(tokenizer.Find("<|im_start|>"u8)));
    }

    /// <summary>Prompts of the tiny models, with the token that begins a text where llama.cpp adds it.</summary>
    [SkippableTheory]
    [InlineData("llama-64-F32")]
    [InlineData("qwen3-64-F32")]
    [InlineData("smollm3-64-F32")]
    [InlineData("phi3-64-F32")]
    public void Prompts_of_models(string model)
    {
        var tokenizer = Tokenizer.Open(Shared.Path($"golden/gguf/models/{model}.gguf"));
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"golden/gguf/models/{model}.golden.json")));
        var count = 0;
        foreach (var prompt in golden.RootElement.GetProperty("prompts").EnumerateArray())
        {
            var text = prompt.GetProperty("text").GetString()!;
            Assert.Equal(prompt.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), tokenizer.Encode(text, special: true, begin: true));
            count++;
        }
        Assert.InRange(count, 2, 4);
    }

    [SkippableFact]
    public void Begin_and_end_of_llama_and_qwen()
    {
        var llama = Tokenizer.Open(Shared.Path("tokenizers/llama-3.1"));
        Assert.True(llama.AddsBeginOfText);
        Assert.Equal(llama.Find("<|begin_of_text|>"u8), llama.BeginOfText);
        Assert.Equal([llama.BeginOfText, .. llama.Encode("Hello")], llama.Encode("Hello", begin: true));
        foreach (var end in (string[])["<|eot_id|>", "<|end_of_text|>"]) Assert.True(llama.IsEndOfGeneration(llama.Find(System.Text.Encoding.UTF8.GetBytes(end))));
        Assert.False(llama.IsEndOfGeneration(llama.Find("<|start_header_id|>"u8)));

        var qwen = Tokenizer.Open(Shared.Path("tokenizers/qwen3"));
        Assert.False(qwen.AddsBeginOfText);
        Assert.True(qwen.IsEndOfGeneration(qwen.Find("<|im_end|>"u8)));
        // User-defined: recognised without permission.
        Assert.Equal([qwen.Find("<tool_call>"u8)], qwen.Encode("<tool_call>"));
    }

    private static string DecodedAsItIs(Tokenizer tokenizer, int[] ids)
    {
        var bytes = new List<byte>();
        var buffer = new byte[tokenizer.MaxTokenBytes];
        foreach (var id in ids) bytes.AddRange(buffer.AsSpan(0, tokenizer.Decode(id, buffer, special: true)));
        return System.Text.Encoding.UTF8.GetString([.. bytes]);
    }
}
