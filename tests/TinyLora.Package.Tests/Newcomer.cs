using System.Runtime.InteropServices;

namespace TinyLora.Package.Tests;

/// <summary>A console project outside the repository, as somebody makes one who has just found the package.</summary>
internal sealed class Newcomer
{
    public const string Program = """
        using TinyLora;

        using var model = Innkeeper.Open(args[0], new ModelOptions { ThreadCount = 1 });
        var pirate = new LoraAdapter(args[1]);
        using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy };
        Console.WriteLine(model.InstructionSet);
        Console.WriteLine(chat.Submit("What is LoRA?").Text);
        model.ApplyLoraAdapter(pirate);
        Console.WriteLine(new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy }.Submit("What is LoRA?").Text);

        [LoraModel("lantern-3m-Q8_0.model.json")]
        partial class Innkeeper;
        """;

    private readonly Feed _feed;

    /// <param name="items">What the project names beside the package.</param>
    public Newcomer(Feed feed, string name, string items, string program)
    {
        _feed = feed;
        Folder = Path.Combine(feed.Root, name);
        Command.Run(feed.Root, feed.Environment, "dotnet", "new", "console", "--aot", "-n", name, "-o", Folder, "--no-restore", "--force").Succeeds();
        var project = Path.Combine(Folder, name + ".csproj");
        var text = File.ReadAllText(project);
        File.WriteAllText(project, text.Replace("</Project>", $"""
              <ItemGroup>
                <PackageReference Include="TinyLora" Version="{Feed.Version}" />
                {items}
              </ItemGroup>
            </Project>
            """));
        File.WriteAllText(Path.Combine(Folder, "Program.cs"), program);
    }

    public string Folder { get; }

    public static string Runtime => RuntimeInformation.RuntimeIdentifier;

    public Command Dotnet(params string[] arguments) => Command.Run(Folder, _feed.Environment, "dotnet", [.. arguments, "-nodeReuse:false", "-tl:off", "--nologo"]);

    /// <summary>Runs the published program.</summary>
    public Command Run(string published, string? instructionSet = null)
    {
        var variables = new Dictionary<string, string>();
        if (instructionSet != null) variables.Add(Kernels.InstructionSet.EnvironmentVariable, instructionSet);
        return Command.Run(Folder, variables, Path.Combine(Folder, published, Path.GetFileName(Folder)), Repository.Model, Repository.Adapter);
    }
}
